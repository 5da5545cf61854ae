"""What rows must satisfy before a target may see them: trees and cycles of keys, uniqueness, order."""
