package trace

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/sesame-mta/sesame/mail"
)

// Kind says what a record tells of.
type Kind int

// The kinds. They stand on disk: new ones go to the end.
const (
	Accepted  Kind = iota + 1 // taken in, on stable storage
	Refused                   // turned away at the door; it has no id
	Attempted                 // one attempt, or what stood in its place
	Settled                   // given up or put off without an attempt: expired, stopped by a scanner, a stopped sender
	Changed                   // an operator held, released, retried or cancelled
	Noticed                   // a mail of ours about another message: a DSN
	Lost                      // records are missing here
	Returned                  // feedback that came after it had left: a late bounce, a complaint
)

// String gives the word used in JSON.
func (k Kind) String() string {
	names := [...]string{"unknown", "accepted", "refused", "attempted", "settled", "changed", "noticed", "lost", "returned"}
	if k < 1 || int(k) >= len(names) {
		return names[0]
	}
	return names[k]
}

// MarshalText gives the word.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads the word; one that is not known is 0.
func (k *Kind) UnmarshalText(text []byte) error {
	*k = 0
	for n := Accepted; n <= Returned; n++ {
		if n.String() == string(text) {
			*k = n
		}
	}
	return nil
}

// Record is one thing that happened to one message. Whoever gives one to Add must
// not touch it again. The numbers are its keys on disk and never change their
// meaning.
type Record struct {
	Kind Kind      `cbor:"1,keyasint" json:"kind"`
	Time time.Time `cbor:"-" json:"time"`
	ID   mail.ID   `cbor:"2,keyasint,omitzero" json:"id,omitzero"`
	// About is, for a Noticed, the message that the mail of ours is about.
	About   mail.ID `cbor:"3,keyasint,omitzero" json:"about,omitzero"`
	Account string  `cbor:"4,keyasint,omitempty" json:"account,omitempty"`
	// From is the reverse-path, empty for the null one.
	From      string   `cbor:"5,keyasint,omitempty" json:"from"`
	To        []string `cbor:"6,keyasint,omitempty" json:"to,omitempty"`
	MessageID string   `cbor:"7,keyasint,omitempty" json:"message_id,omitempty"`
	Text      string   `cbor:"8,keyasint,omitempty" json:"text,omitempty"`

	Entry    *Entry    `cbor:"9,keyasint,omitempty" json:"entry,omitempty"`
	Attempt  *Attempt  `cbor:"10,keyasint,omitempty" json:"attempt,omitempty"`
	Outcomes []Outcome `cbor:"11,keyasint,omitempty" json:"outcomes,omitempty"`
	// Missing counts, for a Lost, the records; 0 is not known how many. They were
	// lost between Since and the record's time.
	Missing int64     `cbor:"12,keyasint,omitempty" json:"missing,omitempty"`
	Since   time.Time `cbor:"-" json:"since,omitzero"`
}

// Entry is how a message came to the door, and what was said there.
type Entry struct {
	Client     string `cbor:"1,keyasint,omitempty" json:"client,omitempty"` // network address
	Helo       string `cbor:"2,keyasint,omitempty" json:"helo,omitempty"`
	Protocol   string `cbor:"3,keyasint,omitempty" json:"protocol,omitempty"`
	TLS        string `cbor:"4,keyasint,omitempty" json:"tls,omitempty"`
	Cipher     string `cbor:"5,keyasint,omitempty" json:"cipher,omitempty"`
	Session    string `cbor:"6,keyasint,omitempty" json:"session,omitempty"`
	Credential string `cbor:"7,keyasint,omitempty" json:"credential,omitempty"` // access key id
	Size       int64  `cbor:"8,keyasint,omitempty" json:"size,omitempty"`
	// Passed names the rules that let it pass, in order; Rule the one that did not.
	Passed []string `cbor:"9,keyasint,omitempty" json:"passed,omitempty"`
	Rule   string   `cbor:"10,keyasint,omitempty" json:"rule,omitempty"`
	Reply  string   `cbor:"11,keyasint,omitempty" json:"reply,omitempty"`
	Cause  string   `cbor:"12,keyasint,omitempty" json:"cause,omitempty"` // private
	// Added and Dropped name the header fields of our edits.
	Added     []string `cbor:"13,keyasint,omitempty" json:"added,omitempty"`
	Dropped   []string `cbor:"14,keyasint,omitempty" json:"dropped,omitempty"`
	ConfigSet string   `cbor:"15,keyasint,omitempty" json:"configuration_set,omitempty"`
	Keys      []string `cbor:"16,keyasint,omitempty" json:"dkim_keys,omitempty"`
	// Wait is how long the rate limit puts the first attempt off.
	Wait time.Duration `cbor:"17,keyasint,omitempty" json:"wait,omitempty"`
	// Limit is what refused it for now, or put its first attempt off.
	Limit *Limit `cbor:"18,keyasint,omitempty" json:"limit,omitempty"`
	// User is the name given at AUTH, where that was refused.
	User string `cbor:"19,keyasint,omitempty" json:"user,omitempty"`
	// Early: it was refused before a sender was named.
	Early bool `cbor:"20,keyasint,omitempty" json:"early,omitempty"`
	// Also counts refusals of the same network that were not recorded, since there
	// were too many.
	Also int64 `cbor:"21,keyasint,omitempty" json:"also,omitempty"`
}

// Attempt is one message carried to one site.
type Attempt struct {
	Domain string        `cbor:"1,keyasint,omitempty" json:"domain"`
	Site   string        `cbor:"2,keyasint,omitempty" json:"site,omitempty"`
	Hosts  []string      `cbor:"3,keyasint,omitempty" json:"hosts,omitempty"` // "10 mx1.example.com"
	Dur    time.Duration `cbor:"4,keyasint,omitempty" json:"dur"`
	// Steps are the dialogue. Cut counts what did not fit.
	Steps []Step `cbor:"5,keyasint,omitempty" json:"steps,omitempty"`
	Cut   int    `cbor:"6,keyasint,omitempty" json:"cut,omitempty"`
	// Until is how long the site is left alone after it, zero if it is not.
	Until int64 `cbor:"7,keyasint,omitempty" json:"site_down_until,omitempty"` // Unix seconds
}

// Who speaks in a Step.
const (
	Client = 'C' // our line
	Server = 'S' // the host's reply; its lines are parted by "\n"
	Note   = '*' // what was done or found
)

// Step is one line of an attempt, At after its begin.
type Step struct {
	At   time.Duration `cbor:"1,keyasint" json:"at"`
	Who  Speaker       `cbor:"2,keyasint" json:"who"`
	Text string        `cbor:"3,keyasint" json:"text"`
}

// Speaker is Client, Server or Note.
type Speaker byte

// MarshalText gives the letter.
func (s Speaker) MarshalText() ([]byte, error) { return []byte{byte(s)}, nil }

// UnmarshalText reads it.
func (s *Speaker) UnmarshalText(text []byte) error {
	if *s = Note; len(text) == 1 {
		*s = Speaker(text[0])
	}
	return nil
}

// Outcome is what an attempt came to for one recipient.
type Outcome struct {
	To     string `cbor:"1,keyasint" json:"to"`
	Result string `cbor:"2,keyasint" json:"result"`
	Reply  string `cbor:"3,keyasint,omitempty" json:"reply,omitempty"`
	Host   string `cbor:"4,keyasint,omitempty" json:"host,omitempty"`
	Addr   string `cbor:"5,keyasint,omitempty" json:"addr,omitempty"`
	Source string `cbor:"6,keyasint,omitempty" json:"source,omitempty"`
	TLS    string `cbor:"7,keyasint,omitempty" json:"tls,omitempty"`
	// Uncertain: the connection ended after the final dot, before the reply. The
	// message may have arrived, and is sent again.
	Uncertain bool `cbor:"8,keyasint,omitempty" json:"uncertain,omitempty"`
	Expired   bool `cbor:"9,keyasint,omitempty" json:"expired,omitempty"`
	Attempt   int  `cbor:"10,keyasint,omitempty" json:"attempt,omitempty"`
	// Next is when it is tried again, in Unix seconds; 0 when it is final.
	Next  int64  `cbor:"11,keyasint,omitempty" json:"next,omitempty"`
	Cause string `cbor:"12,keyasint,omitempty" json:"cause,omitempty"` // private
	// Class says what the reply was about, as we read it.
	Class string `cbor:"13,keyasint,omitempty" json:"class,omitempty"`
	// Limit is what puts a deferred recipient off.
	Limit *Limit `cbor:"14,keyasint,omitempty" json:"limit,omitempty"`
	// Event is what SES calls a failure, or what came back: "Bounce". Type and
	// SubType are those of a bounce; the Type of a complaint is that of its report.
	Event   string `cbor:"15,keyasint,omitempty" json:"event,omitempty"`
	Type    string `cbor:"16,keyasint,omitempty" json:"type,omitempty"`
	SubType string `cbor:"17,keyasint,omitempty" json:"subtype,omitempty"`
	// Also counts the recipients that follow in the record's To and came to the same.
	// It stands on disk only.
	Also int `cbor:"18,keyasint,omitempty" json:"-"`
}

// Came adds what it came to for one more recipient. What is the same for many is
// kept once. All outcomes of a record are added so, or none.
func (r *Record) Came(o Outcome) {
	r.To = append(r.To, o.To)
	if n := len(r.Outcomes); n > 0 {
		last := &r.Outcomes[n-1]
		alike := *last
		alike.To, alike.Also = o.To, 0
		if o.Limit != nil && last.Limit != nil && *o.Limit == *last.Limit {
			alike.Limit = o.Limit
		}
		if alike == o {
			last.Also++
			return
		}
	}
	r.Outcomes = append(r.Outcomes, o)
}

// expand gives each recipient an outcome of its own.
func (r *Record) expand() {
	n := len(r.Outcomes)
	for _, o := range r.Outcomes {
		if o.Also < 0 || o.Also > len(r.To)-n {
			return // not of ours
		}
		n += o.Also
	}
	if n == len(r.Outcomes) || n != len(r.To) {
		return
	}
	all := make([]Outcome, 0, n)
	for _, o := range r.Outcomes {
		also := o.Also
		o.Also = 0
		for range 1 + also {
			o.To = r.To[len(all)]
			all = append(all, o)
		}
	}
	r.Outcomes = all
}

// maxText bounds every text that a stranger had a hand in, in octets.
const maxText = 1000

// bound cuts what is too long. It copies, since a text may hold on to a larger one.
func (r *Record) bound() {
	cut := func(s *string) {
		if len(*s) > maxText {
			*s = strings.Clone((*s)[:maxText])
		}
	}
	cut(&r.MessageID)
	cut(&r.Text)
	if r.Entry != nil {
		cut(&r.Entry.Helo)
		cut(&r.Entry.User)
		cut(&r.Entry.Reply)
		cut(&r.Entry.Cause)
	}
	for i := range r.Outcomes {
		cut(&r.Outcomes[i].Reply)
		cut(&r.Outcomes[i].Cause)
		cut(&r.Outcomes[i].Type)
	}
}

// octets reckons what a record weighs in memory.
func (r *Record) octets() int64 {
	n := 200 + len(r.Text) + len(r.MessageID)
	for _, s := range r.To {
		n += 16 + len(s)
	}
	if r.Entry != nil {
		n += 500
	}
	if a := r.Attempt; a != nil {
		for i := range a.Steps {
			n += 40 + len(a.Steps[i].Text)
		}
	}
	for i := range r.Outcomes {
		n += 200 + len(r.Outcomes[i].Reply) + len(r.Outcomes[i].Cause)
	}
	return int64(n)
}

// keys gives the hashes under which a record is found.
func (r *Record) keys(put func(uint32)) {
	if r.Kind == Lost {
		put(hash('g', ""))
		return
	}
	if !r.ID.IsZero() {
		put(hash('i', string(r.ID[:])))
	}
	if !r.About.IsZero() {
		put(hash('i', string(r.About[:])))
	}
	if r.sender() {
		put(hash('f', r.From))
	}
	for _, to := range r.To {
		put(hash('t', to))
	}
	if r.MessageID != "" {
		put(hash('m', bare(r.MessageID)))
	}
	if e := r.Entry; e != nil {
		if e.Client != "" {
			put(hash('c', e.Client))
		}
		if user := e.user(); user != "" {
			put(hash('u', user))
		}
	}
}

// sender reports whether a sender was named, be it the null one.
func (r *Record) sender() bool { return r.Entry == nil || !r.Entry.Early }

// user gives the name at AUTH: that of the credential, once it was good.
func (e *Entry) user() string { return cmp.Or(e.Credential, e.User) }

// bare takes the angle brackets off a Message-ID.
func bare(id string) string { return strings.Trim(strings.TrimSpace(id), "<>") }

// hash is FNV-1a of a key, without regard to the case of ASCII letters.
func hash(kind byte, s string) uint32 {
	h := (uint32(2166136261) ^ uint32(kind)) * 16777619
	for i := range len(s) {
		c := s[i]
		if kind != 'i' && c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		h = (h ^ uint32(c)) * 16777619
	}
	return h
}

// matches reports whether a record is one that a query asks for.
func (r *Record) matches(q *Query) bool {
	equal := func(s string) func(string) bool {
		return func(t string) bool { return strings.EqualFold(s, t) }
	}
	return r.Kind != Lost && !r.Time.Before(q.Since) &&
		(q.To == "" || slices.ContainsFunc(r.To, equal(q.To))) &&
		(q.From == "" || r.sender() && strings.EqualFold(strings.Trim(q.From, "<>"), r.From)) &&
		(q.MessageID == "" || strings.EqualFold(bare(q.MessageID), bare(r.MessageID))) &&
		(q.Client == "" || r.Entry != nil && strings.EqualFold(q.Client, r.Entry.Client)) &&
		(q.User == "" || r.Entry != nil && strings.EqualFold(q.User, r.Entry.user()))
}
