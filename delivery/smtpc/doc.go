// Package smtpc is our SMTP client: one connection to one host, on the wire. It
// owns the order of commands, PIPELINING and CHUNKING, the dots, the deadline of
// every read and write, and keeps every reply as a value. It is a part of
// delivery.
// It does not choose hosts or addresses, opens no connection, and never decides
// whether to try again.
package smtpc
