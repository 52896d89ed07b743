"""KataGo's analysis protocol: JSON lines in and out."""
