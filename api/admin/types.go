package admin

import (
	"time"

	"github.com/sesame-mta/sesame/mail"
)

// Entry is one recipient that waits in the queue.
type Entry struct {
	ID        string    `json:"id"`
	Account   string    `json:"account"`
	From      string    `json:"from"` // empty for the null reverse-path
	To        string    `json:"to"`
	Domain    string    `json:"domain"`
	State     string    `json:"state"` // "queued" or "held"
	Attempts  int       `json:"attempts"`
	Next      time.Time `json:"next"`
	LastReply string    `json:"last_reply"` // empty before the first attempt
	Size      int64     `json:"size"`
	Accepted  time.Time `json:"accepted"`
	// Limit is what holds it; nil if it is under way.
	Limit *mail.Limit `json:"limit,omitempty"`
}

// Message is one message in the queue with the recipients that wait.
type Message struct {
	ID         string      `json:"id"`
	Account    string      `json:"account"`
	From       string      `json:"from"`
	Accepted   time.Time   `json:"accepted"`
	Size       int64       `json:"size"`
	MessageID  string      `json:"message_id"`
	Recipients []Recipient `json:"recipients"`
}

// Recipient is one of them.
type Recipient struct {
	To        string    `json:"to"`
	Domain    string    `json:"domain"`
	State     string    `json:"state"`
	Attempts  int       `json:"attempts"`
	Next      time.Time `json:"next"`
	Expires   time.Time `json:"expires"`
	LastReply string    `json:"last_reply"`
	LastHost  string    `json:"last_host"`
	// Site is where its mail goes, as far as that is known; it is left alone until
	// SiteDown, which is zero if it is not.
	Site     string    `json:"site,omitempty"`
	SiteDown time.Time `json:"site_down_until,omitzero"`
	// Limit is what holds it; nil if it is under way.
	Limit *mail.Limit `json:"limit,omitempty"`
}

// Selection says which recipients in the queue a command is about: those of one
// message, those of an account, a domain or both, or all.
type Selection struct {
	ID      string `json:"id,omitempty"`
	Account string `json:"account,omitempty"`
	Domain  string `json:"domain,omitempty"`
	All     bool   `json:"all,omitempty"`
	// Bounce, for cancel: tell the sender.
	Bounce bool `json:"bounce,omitempty"`
}

// Changed says how many recipients a command changed.
type Changed struct {
	Recipients int `json:"recipients"`
}

// Status is how the server is.
type Status struct {
	Hostname string      `json:"hostname"`
	Version  string      `json:"version"`
	Started  time.Time   `json:"started"`
	Queue    QueueStatus `json:"queue"`
	// Limits are sources and senders that a site refused, at most 100 of each; they
	// rest or wait at that site.
	Limits []*mail.Limit `json:"limits,omitempty"`
}

// QueueStatus is what waits.
type QueueStatus struct {
	Messages   int64 `json:"messages"`
	Recipients int64 `json:"recipients"`
	Due        int64 `json:"due"` // recipients; counted up to 10,000
	Held       int64 `json:"held"`
	Free       int64 `json:"free"` // octets on disk that new mail may use
}

// failure is the body of every refusal.
type failure struct {
	Error string `json:"error"`
}
