"""Write the bundle to OUTPUT, whole or not at all."""
