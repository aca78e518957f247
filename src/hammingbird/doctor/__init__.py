"""From one file of vectors to an answer: how short may codes be, and what they cost."""

from hammingbird.doctor.diagnosis import Diagnosis
from hammingbird.doctor.examination import examine

__all__ = ["Diagnosis", "examine"]
