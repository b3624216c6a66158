"""From a person's words to one settled Config, and from that to the objects of a run."""
