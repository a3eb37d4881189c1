"""What a garden scene is made of: brushes, flowers and grounds."""
