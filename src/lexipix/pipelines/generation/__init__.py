"""From words to pictures, and from a picture over words to a picture; without torch."""
