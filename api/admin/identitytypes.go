package admin

import (
	"time"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/identity"
)

// Identity is a domain or an address of an account.
type Identity struct {
	Account     string `json:"account"`
	AccountMade bool   `json:"account_made,omitempty"`
	Identity    string `json:"identity"`
	// Status is "verified", "pending", "failed" or "temporary failure".
	Status  string            `json:"status"`
	Created time.Time         `json:"created"`
	Records []identity.Record `json:"records"`
	// The states of SES.
	Verification identity.State `json:"verification"`
	DKIM         identity.State `json:"dkim"`
	Keys         []Key          `json:"keys,omitempty"`
	Rotating     bool           `json:"rotating,omitempty"`
	// Signing is "on" or "off" by the owner's wish, and empty without one.
	Signing  identity.Switch `json:"dkim_signing,omitempty"`
	Paused   bool            `json:"paused,omitempty"`
	MailFrom *MailFrom       `json:"mail_from,omitempty"`
	// What mail gets that names none itself.
	ConfigurationSet string            `json:"configuration_set,omitempty"`
	Tags             map[string]string `json:"tags,omitempty"`
	// Labels are the owner's own words for it, which SES calls tags of a resource.
	Labels account.Labels `json:"labels,omitempty"`
	// Forwarding: bounces and complaints go to the sender by mail. Without it those
	// types do all the same of which nobody else would hear now (Mailing).
	Forwarding bool     `json:"feedback_forwarding"`
	Mailing    []string `json:"mailed_all_the_same,omitempty"`
	// Headers are the types of notifications that show the header of their message.
	Headers []string `json:"notification_headers,omitempty"`
	// Mailed: a link was mailed to the address just now.
	Mailed bool `json:"mailed,omitempty"`
}

// Key is a DKIM key of an identity.
type Key struct {
	Selector  string `json:"selector"`
	Algorithm string `json:"algorithm"`
	Use       string `json:"use"` // "signing", "next" or "old"
}

// MailFrom is the MAIL FROM domain of an identity.
type MailFrom struct {
	Domain    string         `json:"domain"`
	OnFailure string         `json:"on_failure"` // "default" or "reject"
	State     identity.State `json:"state"`
}

// Checked is what a check of DNS found.
type Checked struct {
	Identity Identity `json:"identity"`
	Problems []string `json:"problems"` // one line each
}
