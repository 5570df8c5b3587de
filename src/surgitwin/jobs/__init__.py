"""Long work: started, reported, cancelled and finished in one place, with any number of skins."""

from surgitwin.jobs.runner import Job, JobEvent, JobState, Runner

__all__ = ["Job", "JobEvent", "JobState", "Runner"]
