"""The process that owns the jobs: it carries out what kq.core decides."""
