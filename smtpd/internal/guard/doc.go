// Package guard stands between the socket and go-smtp. A Conn is the net.Conn
// that go-smtp serves: it ends TLS, reads command lines, knows their grammar and
// order, and answers itself what is malformed or out of place. What is left it
// shows to go-smtp one command at a time, with placeholder paths, and puts our
// words in the place of go-smtp's. The content of a message goes to the session
// straight from here, as Content; go-smtp is shown an empty body.
//
// Everything runs in the session's own goroutine, inside go-smtp's calls of Read
// and Write and in the session's reading of Content: there is no pipe and no
// second goroutine. Only Close, Cut and Drain may come from elsewhere.
//
// It owns the octets of the wire and the state of the dialogue. It does not know
// accounts, credentials, or what becomes of a message.
package guard
