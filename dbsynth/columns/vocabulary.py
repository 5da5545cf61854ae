"""The words by which personal data is recognised, in lower case, without accents and separators.

English, German, French, Spanish, Italian, Portuguese, Dutch, Polish, Czech and the Nordic languages.
"""

__all__ = ["ALONE", "AMBIGUOUS", "COMPANIES", "HOLLOW", "NAMES", "PEOPLE", "PHRASES"]


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


# What the last words of a column's name say, joined; longer phrases go before shorter ones.
_PHRASES_OF = {
    "email": """
        email mail emailaddress mailaddress emailaddr emailid useremail correo correoelectronico
        courriel epost mejl emailadresse mailadresse adressemail adresseemail enderecoemail
        indirizzoemail eposta contactemail workemail personalemail
    """,
    "phone": """
        phone telephone tel phonenumber phoneno phonenum telno telnumber mobile mobilephone mobileno
        mobilenumber cell cellphone cellnumber fax faxnumber faxno homephone workphone telefon
        telefonnummer handy handynummer mobil telefono celular movil telephonenumber telefone
        telefoon telefonnr msisdn whatsapp portable numerotelephone cellulare telefonszam puhelin
        landline phonehome phonework phonemobile
    """,
    "first_name": """
        firstname fname givenname forename givennames vorname prenom prenome nombre primernombre
        imie jmeno fornamn fornavn voornaam etunimi namefirst firstnm middlename mname secondname
        middlenames
    """,
    "last_name": """
        lastname lname surname familyname nachname familienname nomdefamille nomfamille apellido
        apellidos cognome sobrenome apelido nazwisko prijmeni efternamn etternavn achternaam
        sukunimi maidenname secondsurname namelast lastnm geburtsname primerapellido segundoapellido
        soyad soyadi
    """,
    "name": """
        fullname personname displayname realname contactname customername clientname employeename
        patientname ownername recipientname contactperson ansprechpartner nombrecompleto nomcomplet
        nomecompleto cardholder cardholdername cardname nameoncard accountholder holdername
        passengername studentname guestname membername staffname drivername doctorname beneficiary
        beneficiaryname shipname billname shiptoname billtoname shippingname billingname sendername
        receivername attendeename applicantname tenantname payeename namefull emergencycontact
    """,
    "street": """
        street streetname streetaddress strasse str calle rue rua via streetaddr street1 ulica gata
        gade straat strassenname streetline
    """,
    "city": """
        city town cityname stadt ort wohnort ville ciudad citta cidade miasto mesto stad townname
        hometown placeofbirth birthplace geburtsort birthcity municipality localidad commune
    """,
    "postcode": """
        postcode postalcode zip zipcode zipcd postleitzahl plz codepostal codigopostal cap cep psc
        postnummer postcd pincode kodpocztowy postalcd
    """,
    "address": """
        address addr homeaddress addressline streetaddressline mailingaddress postaladdress
        billingaddress shippingaddress adresse anschrift direccion indirizzo endereco adres adresa
        fulladdress deliveryaddress domicilio addressl workaddress shipaddress address1
    """,
    "company": """
        company companyname employer employername firma firmenname unternehmen societe entreprise
        empresa azienda organisation organization organisationname organizationname businessname
        legalname tradename suppliername vendorname razonsocial raisonsociale bedrijf bedrijfsnaam
        firmname corporation
    """,
    "iban": """
        iban ibannumber ibannr ibanno ibancode bankiban
    """,
    "card_number": """
        cardnumber cardno cardnum creditcard creditcardnumber ccnumber ccnum ccno creditcardno pan
        debitcard debitcardnumber kreditkarte kartennummer numerotarjeta cardpan
    """,
    "national_id": """
        ssn socialsecurity socialsecuritynumber socialsecurityno nationalid nationalidnumber
        nationalidno nino taxid taxnumber taxno tin steuernummer steuerid passport passportnumber
        passportno driverslicense driverlicense drivinglicence licensenumberdriver dni nie nif curp
        rfc cpf cnpj codicefiscale pesel rodnecislo personnummer cedula sin bsn nhsnumber nhsno
        aadhaar ein vatnumber vatid vatno insee numsecu ahv svnr sozialversicherungsnummer
        personalausweis reisepass idcard idcardnumber medicareno medicarenumber mrn insurancenumber
    """,
    "url": """
        url website homepage webpage weburl link websiteurl siteweb sitioweb webseite href web uri
        profileurl avatarurl imageurl photourl pictureurl linkedin
    """,
    "ip": """
        ip ipaddress ipaddr ipv4 ipv6 remoteaddr clientip userip remoteip hostip lastip loginip
        ipadresse direccionip sourceip srcip dstip
    """,
    "mac": """
        mac macaddress macaddr hwaddr hardwareaddress ethernetaddress
    """,
    "latitude": """
        latitude lat geolat gpslat latitud breitengrad locationlat
    """,
    "longitude": """
        longitude lng lon long geolng geolon gpslng gpslon longitud laengengrad locationlng
    """,
    "user_name": """
        username login loginname userlogin uname screenname nickname nick handle benutzername
        nomutilisateur nombreusuario usuario loginid useraccount twitter twitterhandle instagram
        skype nomedeusuario pseudo
    """,
    "password": """
        password passwd pwd passwordhash passwordsalt passwort motdepasse contrasena senha passhash
        pwdhash hashedpassword encryptedpassword salt passphrase apikey accesstoken refreshtoken
        secret secretkey clientsecret authtoken sessiontoken token resettoken apitoken privatekey
        pin pincodehash passworddigest rememberme remembertoken
    """,
    "date_of_birth": """
        dateofbirth birthdate birthday dob birthdt bdate dateborn geburtsdatum geburtstag
        fechanacimiento fechadenacimiento datenaissance datedenaissance datanascita datadinascita
        datanascimento dataurodzenia datumnarozeni fodelsedatum geboortedatum birthdte born
    """,
}
PHRASES = {phrase: provider for provider, phrases in _PHRASES_OF.items() for phrase in phrases.split()}

# Words for people: of a table's rows, or before "name" in a column's.
PEOPLE = _set("""
    accountholder actor admin administrator adult advisor agent alumni applicant artist assistant
    athlete attendee author beneficiary borrower buyer candidate caregiver caretaker cashier caller
    celebrity chef child client clinician coach colleague contact contractor cook courier customer
    dentist dependent director doctor donor driver editor employee engineer farmer fan follower
    founder friend guardian guest guide holder instructor interviewee inspector investor jockey
    judge landlord lawyer leader lecturer librarian lodger manager member mentor musician nurse
    occupant officer owner parent parliamentarian participant partner passenger patient
    payee payer people person personnel physician pilot player policyholder politician practitioner
    president professor pupil recipient referee relative reporter representative resident
    respondent reviewer rider runner sailor salesman salesperson salesrep seller sender shareholder
    shopper signatory singer speaker spouse staff student subscriber supervisor surgeon swimmer
    teacher technician tenant therapist tourist trainee trainer traveler traveller tutor user victim
    visitor voter volunteer winner witness worker writer kunde kunden kundin mitarbeiter
    angestellter benutzer nutzer patienten mitglied mitglieder schueler lehrer fahrer personen
    ansprechpartner kontakt kontakte utilisateur employe salarie personne adherent eleve abonne
    conducteur cliente clientes usuario empleado paciente persona alumno contacto conductor socio
    utente dipendente paziente persone pessoa funcionario aluno klant gebruiker medewerker persoon
    klient klienci uzytkownik pracownik osoba pacjent zakaznik uzivatel zamestnanec kund anvandare
    anstalld bruker ansatt ansatte medarbejder composer
""")

# Last words of a table's name that say nothing about what its rows are: the word before them does.
HOLLOW = _set("""
    account accounts archive backup base copy data detail details dim entry fact history info
    information list main master new old profile profiles record records t tab table tbl tmp temp
    view all current snapshot stg raw
""")

# Words for companies, likewise.
COMPANIES = _set("""
    company companies supplier suppliers vendor vendors manufacturer manufacturers organization
    organizations organisation organisations firm firms business businesses employer employers
    shipper shippers carrier merchant merchants firma firmen lieferant lieferanten fournisseur
    proveedor fornitore fornecedor empresa empresas entreprise
""")

# Words for a name of whatever the table holds.
NAMES = _set("""
    name names nm nom nombre nome naam namn navn nimi fullname full
""")

# Phrases that mean something else when they end a longer name (``permalink``, ``unit_str``, ``bath_cap``)
ALONE = _set("""
    str via cap pin sin web link uri born long nick handle ort nie pan tin ein rua rue rfc portable
    mobil cep psc corporation firm handy uname secondname pseudo cardname beneficiary
""")

# Phrases that speak of people only in a table about people: short words, and words of several languages.
AMBIGUOUS = _set("""
    born cap cep ein handle nie ort pan pin portable psc rfc rua rue sin str tin via
""")
