"""The older installation: its files read, and what is taken over of them."""
