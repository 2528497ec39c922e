package suppression

import (
	"context"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/configset"
	"github.com/sesame-mta/sesame/mail"
)

// Reasons is a set of reasons.
type Reasons uint8

// Has reports whether a reason is in the set.
func (s Reasons) Has(r Reason) bool { return s&(1<<r) != 0 }

func reasons(rs ...Reason) (s Reasons) {
	for _, r := range rs {
		s |= 1 << r
	}
	return s
}

// Rule says which lists count for a message, for leaving out and for adding.
type Rule struct {
	Account string
	// Reasons are those of the account's list that count; none is a list that is
	// off.
	Reasons Reasons
	// Shun: the list of the installation counts for leaving out. Where the
	// account's own list is on, that takes precedence: an address that is on the
	// other alone is tried (spec section 7.1).
	Shun bool
	// Share: a hard bounce joins the list of the installation.
	Share bool
	// List is the mailing list that the mail is for: whoever left it is left out,
	// whatever the reasons. Empty is none.
	List   string
	strict bool
}

// Rule gives that of a message of an account under a configuration set, whose name
// may be empty. A set that is gone overrides nothing any more.
func (l *Lists) Rule(accountID, set string) Rule {
	r := Rule{Account: accountID, Share: l.o.Installation, strict: l.o.Strict}
	a, err := l.o.Accounts.Lookup(accountID)
	if err != nil {
		return Rule{Account: accountID} // it is gone, and so is its list
	}
	if a.Profile != account.ProfileFile {
		r.strict = a.Profile == account.ProfileSES
	}
	switch a.Suppress {
	case account.SuppressAll:
		r.Reasons = reasons(Bounce, Complaint)
	case account.SuppressBounces:
		r.Reasons = reasons(Bounce)
	case account.SuppressComplaints:
		r.Reasons = reasons(Complaint)
	case account.SuppressNone:
	}
	r.Shun = l.o.Installation && r.Reasons == 0
	if set == "" || l.o.Sets == nil {
		return r
	}
	s, _ := l.o.Sets.Find(accountID, set)
	r.List = s.Unsubscribe
	switch s.Suppression {
	case configset.SuppressAccount:
		return r
	case configset.SuppressAll:
		r.Reasons = reasons(Bounce, Complaint)
	case configset.SuppressBounces:
		r.Reasons = reasons(Bounce)
	case configset.SuppressComplaints:
		r.Reasons = reasons(Complaint)
	case configset.SuppressNone:
		r.Reasons = 0 // an empty list of reasons is no suppression at all (spec section 7.3)
	}
	r.Shun = false
	return r
}

// Off reports whether nothing is left out by the rule.
func (r Rule) Off() bool { return r.Reasons == 0 && !r.Shun && r.List == "" }

// Match is why a recipient is left out.
type Match struct {
	Entry
	// SubType is what SES calls it: OnAccountSuppressionList, Suppressed or
	// UnsubscribedRecipient.
	SubType string
	// Reply is what the events and the bounce mail say.
	Reply mail.Reply
}

// The sub-types (spec section 6.2).
const (
	OnAccountList = "OnAccountSuppressionList"
	Suppressed    = "Suppressed"
	Unsubscribed  = "UnsubscribedRecipient"
)

// The texts (spec section 7.2). The first is the recorded one; the second is the
// same sentence in our own name. SES's of the installation's list is not recorded.
const (
	strictText = "Amazon SES did not send the message to this address because it is on the suppression list for your account." +
		" For more information about removing addresses from the suppression list, see the Amazon SES Developer Guide at" +
		" https://docs.aws.amazon.com/ses/latest/DeveloperGuide/sending-email-suppression-list.html"
	accountText      = "sesame did not send the message to this address because it is on the suppression list for your account."
	leftText         = "sesame did not send the message to this address because its owner has unsubscribed from the list "
	installationText = "sesame did not send the message to this address because it is on the suppression list of this server."
)

// Find gives those of the recipients that are left out by a rule, and why. It looks
// nowhere when the rule is off.
func (l *Lists) Find(ctx context.Context, r Rule, to ...mail.Address) (map[mail.Address]*Match, error) {
	if r.Off() {
		return nil, nil
	}
	var found map[mail.Address]*Match
	look := func(owner, list string, match func(e Entry) *Match) error {
		keys := make([]string, len(to))
		for i, a := range to {
			keys[i] = keyOf(a, list)
		}
		entries, err := l.o.Store.Among(ctx, owner, keys)
		if err != nil || len(entries) == 0 {
			return err
		}
		for i, a := range to {
			e, ok := entries[keys[i]]
			if !ok || found[a] != nil {
				continue
			}
			if m := match(e); m != nil {
				if found == nil {
					found = make(map[mail.Address]*Match)
				}
				found[a] = m
			}
		}
		return nil
	}
	if r.Reasons != 0 || r.Shun {
		owner := r.Account
		if r.Shun {
			owner = Installation
		}
		if err := look(owner, "", func(e Entry) *Match { return l.match(r, e) }); err != nil {
			return nil, err
		}
	}
	if r.List != "" {
		if err := look(r.Account, r.List, func(e Entry) *Match {
			// The recipient does not want it (RFC 3463 section 3.8, X.7.1).
			return &Match{Entry: e, SubType: Unsubscribed, Reply: *mail.Refuse(550, 7, 1, leftText+r.List+".")}
		}); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// match gives what an entry of the list for bounces and complaints that counts
// means; nil is nothing.
func (l *Lists) match(r Rule, e Entry) *Match {
	if r.Shun && e.expired(l.o.Now()) || !r.Shun && !r.Reasons.Has(e.Reason) {
		return nil
	}
	m := &Match{Entry: e, SubType: OnAccountList}
	text := accountText
	switch {
	case r.Shun:
		m.SubType, text = Suppressed, installationText
	case r.strict:
		text = strictText
	}
	m.Reply = *mail.Refuse(550, 1, 1, text)
	return m
}

// Adds gives the entries that a hard bounce or a complaint of a recipient makes
// under a rule.
func (r Rule) Adds(e Entry) []Entry {
	var out []Entry
	if r.Reasons.Has(e.Reason) {
		e.Owner = r.Account
		out = append(out, e)
	}
	if r.Share && e.Reason == Bounce {
		e.Owner = Installation
		out = append(out, e)
	}
	return out
}
