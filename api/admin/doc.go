// Package admin is what the operator's commands talk to: HTTP and JSON over a
// Unix socket that only its owner may open. It is a branch of api. It owns the
// forms that commands print with --json, the server and the client.
// It holds no logic: it calls the books and the queue.
//
// Lists are one JSON object a line. A list that breaks off ends the connection
// in the middle, so that a client never takes a part for the whole.
package admin
