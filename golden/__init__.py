"""The definition of correct: integer arithmetic, the model file, the NPU as software.

Everything here takes and gives integers only; numpy and the standard library are its only imports.
"""
