-- What a load needs beside its own database: the one in which new tables are built aside.
GRANT ALL ON `dbsynth\_\_dbsynth\_%`.* TO 'dbsynth'@'%';
