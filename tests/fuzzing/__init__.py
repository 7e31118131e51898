"""Any bytes whatever: what holds for them, and the ways to find some for which it does not."""
