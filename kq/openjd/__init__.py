"""A job as an Open Job Description bundle, for any site whose render manager reads that form.

Nothing is submitted or run here, and no package of OpenJD is needed.
"""
