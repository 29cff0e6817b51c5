"""Where a study is kept, and how several processes share it."""
