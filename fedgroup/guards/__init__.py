"""Components at arm's length: their family, their surroundings, what they give back."""
