"""How the service manager is told the truth: readiness, status, watchdog, reload.

`activity` holds what the frame thread is at, `watchdog` decides whether that is alive,
`status` puts it into a sentence, `supervisor` tells the service manager, `reload` changes
the running service, `camera_steps` turns the steps of a camera's recovery into all of that.
"""
