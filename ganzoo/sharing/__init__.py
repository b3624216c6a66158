"""A generator leaves home: other formats, the hub, a page to play with."""
