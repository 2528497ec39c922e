package receiving

import (
	"bytes"
	"context"
	"errors"
	"io"
	"time"

	"github.com/sesame-mta/sesame/delivery"
	"github.com/sesame-mta/sesame/delivery/route"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/submission"
)

// site is the destination of mail for our own domains. No host is called so.
const site = "(receiving)"

// routeLife is how long a route to ourselves is good. A MAIL FROM domain may be
// given up.
const routeLife = time.Minute

// Own routes and carries mail from us to us, without the network: a client of ours
// may well bounce what another client of ours has sent it. All other mail goes to
// what stands behind it.
type Own struct {
	Receiver *Receiver
	Router   route.Router
	Carrier  delivery.Carrier
}

var (
	_ route.Router     = (*Own)(nil)
	_ delivery.Carrier = (*Own)(nil)
)

// Route implements route.Router.
func (o *Own) Route(ctx context.Context, domain string) (*route.Route, error) {
	if !o.Receiver.Serves(domain) {
		return o.Router.Route(ctx, domain)
	}
	return &route.Route{Domain: domain, Site: site, Expires: time.Now().Add(routeLife)}, nil
}

// Carry implements delivery.Carrier.
func (o *Own) Carry(ctx context.Context, r *route.Route, j *delivery.Job) []mail.Outcome {
	if r.Site != site {
		return o.Carrier.Carry(ctx, r, j)
	}
	out := make([]mail.Outcome, len(j.To))
	for i, to := range j.To {
		// Each on its own: what one comes to is not what another does.
		out[i] = o.Receiver.outcome(o.Receiver.own(ctx, j, to))
	}
	return out
}

// own takes a message for one recipient.
func (r *Receiver) own(ctx context.Context, j *delivery.Job, to mail.ForwardPath) error {
	if err := r.Recipient(ctx, to); err != nil {
		var reply *mail.Reply
		if !errors.As(err, &reply) {
			return errNoMailbox // the domain was given up since it was routed
		}
		return err
	}
	body := io.NewSectionReader(j.Content, j.BodyAt, j.Size-j.BodyAt)
	return r.Receive(ctx, &submission.Request{From: j.From, To: []mail.ForwardPath{to},
		Content: whole{io.MultiReader(bytes.NewReader(j.Header), body)}})
}

// outcome makes one of what Receive gave.
func (r *Receiver) outcome(err error) mail.Outcome {
	if err == nil {
		return mail.Outcome{Result: mail.Delivered, Reply: *mail.Refuse(250, 0, 0, "Ok")}
	}
	var reply *mail.Reply
	if !errors.As(err, &reply) {
		r.o.Log.Error("mail to ourselves was not taken", "err", err)
		reply = errBusy
	}
	if reply.Temporary() {
		return mail.Outcome{Result: mail.Deferred, Reply: *reply}
	}
	return mail.Outcome{Result: mail.Failed, Reply: *reply}
}

// whole is content that is all there.
type whole struct{ io.Reader }

// Facts implements submission.Content.
func (whole) Facts() submission.Facts { return submission.Facts{} }
