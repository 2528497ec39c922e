package testmx

import (
	"crypto/tls"
	"time"
)

// Stage is a point of the dialogue at which a Script is asked.
type Stage int

// The stages. Handshake comes after the reply to StartTLS, Content when the
// whole message has come (by DATA or BDAT LAST), Chunk at any other BDAT.
const (
	Connect Stage = iota + 1
	Hello
	StartTLS
	Handshake
	Auth
	Mail
	Rcpt
	Data
	Chunk
	Content
	Reset
	Quit
)

// String names the stage, for the names of tests.
func (s Stage) String() string {
	names := []string{"", "connect", "hello", "starttls", "handshake", "auth", "mail", "rcpt", "data", "chunk", "content", "reset", "quit"}
	if s < 1 || int(s) >= len(names) {
		return "unknown"
	}
	return names[s]
}

// Deed is what to do instead of the usual.
type Deed int

// The deeds. With Reply, which is the zero value, an empty text means the usual.
const (
	Reply   Deed = iota // say Text, a reply of one or more lines without the last CRLF
	Raw                 // write Text as it stands, and go on
	Drop                // close the connection
	Abort               // reset the connection
	Hang                // say nothing more
	Stall               // say nothing more, and read nothing, until Close
	Drip                // one octet of an endless reply at a time
	Endless             // lines of one reply, as fast as they go, without end
)

// Action answers an Event.
type Action struct {
	Do   Deed
	Text string
}

// Event is a stage reached on a connection.
type Event struct {
	Stage Stage
	// Line is the command without its line end; empty at Connect, Handshake and Content.
	Line        string
	Conn        int    // counts connections from 1
	Remote      string // the client's address and port
	Transaction int    // counts MAILs on the connection from 1
	Rcpt        int    // counts RCPTs in the transaction from 1
	Recipients  int    // accepted so far in the transaction
	Octets      int    // of the content as it came by DATA, at Content
	TLS         bool
}

// On gives a script with one action at one stage.
func On(stage Stage, a Action) func(Event) Action {
	return func(e Event) Action {
		if e.Stage == stage {
			return a
		}
		return Action{}
	}
}

// Options says how a Server behaves; the zero value takes all mail, with
// PIPELINING, CHUNKING, 8BITMIME and SIZE, without TLS.
type Options struct {
	Listen   string // default 127.0.0.1:0
	Hostname string // default mx.example.org
	// Keywords replaces what EHLO offers; STARTTLS and AUTH come from below.
	// Not nil and empty offers nothing.
	Keywords []string
	// NoEHLO answers EHLO with 502.
	NoEHLO bool
	// StartTLS offers it, ImplicitTLS begins with it. TLS replaces the
	// configuration with its self-made certificate.
	StartTLS    bool
	ImplicitTLS bool
	TLS         *tls.Config
	// Users offers AUTH PLAIN and LOGIN and demands it before MAIL.
	Users map[string]string
	// Script is asked at each stage. It is called from many goroutines.
	Script func(Event) Action
	// MaxRecipients refuses more of them in a transaction with 452 4.5.3.
	MaxRecipients int
	// DeferPercent of the messages get 451 after their content.
	DeferPercent int
	// Latency is how long each reply takes to arrive. Replies to a pipelined
	// group take it together.
	Latency time.Duration
	// Discard counts messages and forgets them.
	Discard bool
	// DripEvery is the pause between octets of Drip; default 20ms.
	DripEvery time.Duration
}

// Message is one message that was taken with a 250.
type Message struct {
	Conn        int    // on which connection
	Transaction int    // which MAIL of the connection
	Hello       string // the argument of EHLO or HELO
	ESMTP       bool   // it was EHLO
	From        string // between the angle brackets
	Params      string // after them
	To          []string
	Data        []byte // the content, dots removed
	Wire        []byte // as it came: with stuffed dots, without the last
	BDAT        bool   // it came by BDAT
	// Pipelined: more commands had come with MAIL.
	Pipelined bool
	TLS       uint16 // version, 0 in clear text
	User      string // who authenticated
	Remote    string // address of the client
}
