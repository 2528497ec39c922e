package api

import (
	"context"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/configset"
	"github.com/sesame-mta/sesame/account/destination"
	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/account/quota"
	"github.com/sesame-mta/sesame/account/reputation"
	"github.com/sesame-mta/sesame/account/suppression"
	"github.com/sesame-mta/sesame/account/suppression/imports"
	"github.com/sesame-mta/sesame/account/template"
	"github.com/sesame-mta/sesame/account/topic"
	"github.com/sesame-mta/sesame/event/contact"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/submission"
	"github.com/sesame-mta/sesame/trace"
)

// Desk takes mail in; *submission.Desk.
type Desk interface {
	Submit(ctx context.Context, r *submission.Request) (mail.ID, error)
}

// Rooms is what the operations of both versions call. An operation reads and
// changes only what belongs to the account of its caller.
type Rooms struct {
	// Region is the label in ARNs and texts, Domain that of the service.
	Region, Hostname, Domain string

	Desk       Desk
	Accounts   *account.Book
	Identities *identity.Book
	// Checker looks for what identities need; nil looks for nothing. MailLink mails
	// the link that verifies an address; nil: nobody can.
	Checker  *identity.Checker
	MailLink func(ctx context.Context, i identity.Identity, link string) error
	Sets     *configset.Book
	// Destinations are told of events; Topics are where some of them lead.
	Destinations *destination.Book
	Topics       *topic.Book
	// Announce tells the subscribers of a destination's topic that events will
	// come; nil tells nobody.
	Announce    func(destination.Destination)
	Suppression *suppression.Lists
	Templates   *template.Book
	Usage       quota.Ledger
	// Contact tells the contacts of accounts of what was changed; nil tells nobody.
	Contact *contact.Mailer

	// MessageBytes, LineOctets and Recipients bound a message.
	MessageBytes int64
	LineOctets   int
	Recipients   int

	// Reputation rates accounts and keeps their statistics.
	Reputation *reputation.Book
	// Imports are the files that accounts read into their suppression lists.
	Imports *imports.Book
	// Trace tells the lives of messages, Messages finds those that may still be heard
	// of; queue.Spool.
	Trace    *trace.Recorder
	Messages interface {
		Kept(ctx context.Context, id mail.ID) (*queue.Message, error)
	}
	// Sources are the addresses that mail leaves from.
	Sources []Source
}
