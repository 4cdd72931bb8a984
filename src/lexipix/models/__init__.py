"""Networks: torch modules that can be read without the code that trains them."""
