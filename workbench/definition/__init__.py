"""What a user wants, as checked values with Azure's names."""
