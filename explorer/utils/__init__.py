"""Small tools without a subject of their own: arguments, files, the machine, imports of users' functions."""
