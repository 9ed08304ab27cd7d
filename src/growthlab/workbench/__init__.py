"""From a composed config to the objects of a run."""
