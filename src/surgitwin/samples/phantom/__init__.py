"""The liver phantom: a made-up abdomen whose every vessel, territory and volume is known exactly."""

from surgitwin.samples.phantom.make import LiverPhantom, make_liver_phantom
from surgitwin.samples.phantom.settings import PhantomSettings
from surgitwin.samples.phantom.write import write_liver_phantom

__all__ = ["LiverPhantom", "PhantomSettings", "make_liver_phantom", "write_liver_phantom"]
