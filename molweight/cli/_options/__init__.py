"""Options of the commands, a module each: none of them imports what a command computes with, so help is quick."""
