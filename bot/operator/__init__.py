"""The operator's work: checking, exporting, backing up, bringing an older installation over."""
