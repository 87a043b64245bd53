"""The search methods, one file each: `heron tune --method NAME` finds NAME.py here."""
