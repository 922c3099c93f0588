"""The data room: one object for all that is done with the local catalog of bars, from a terminal or a notebook."""

from feeds.room.adjusting import Adjusted
from feeds.room.checking import Checked, Repaired, Undone
from feeds.room.exporting import Exported
from feeds.room.results import Failure, RoomResult
from feeds.room.room import DataRoom
from feeds.room.showing import Listing, Shown
from feeds.room.storing import Storage

__all__ = [
    "Adjusted",
    "Checked",
    "DataRoom",
    "Exported",
    "Failure",
    "Listing",
    "Repaired",
    "RoomResult",
    "Shown",
    "Storage",
    "Undone",
]
