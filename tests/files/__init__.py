"""Files, served to clients that nobody here wrote, a browser among them: what they have in the end is what was sent."""
