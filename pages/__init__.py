"""The app's views. No SQL, no fitting and no arithmetic on labels in here: ask the workbench."""
