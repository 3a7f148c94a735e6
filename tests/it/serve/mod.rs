//! The server as a process: started, called with curl, stopped, killed, started again.
