"""Photos: found, checked, split, decoded, augmented."""
