package dispatch_test

import (
	"context"
	"fmt"
	"time"

	"github.com/sesame-mta/sesame/delivery"
	"github.com/sesame-mta/sesame/delivery/egress"
	"github.com/sesame-mta/sesame/delivery/route"
	"github.com/sesame-mta/sesame/dispatch"
	"github.com/sesame-mta/sesame/mail"
	"github.com/sesame-mta/sesame/queue"
	"github.com/sesame-mta/sesame/queue/queuetest"
)

// oneSite is a router that knows one site for everything.
type oneSite struct{}

// Route implements route.Router.
func (oneSite) Route(_ context.Context, domain string) (*route.Route, error) {
	return &route.Route{Domain: domain, Site: "mx.example.org", Expires: time.Now().Add(time.Hour)}, nil
}

// printer is a carrier that prints and accepts.
type printer struct{ done chan struct{} }

// Carry implements delivery.Carrier.
func (p printer) Carry(_ context.Context, r *route.Route, j *delivery.Job) []mail.Outcome {
	defer close(p.done)
	fmt.Printf("%s to %s at %s\n", j.From.Path(), j.To[0].Path(), r.Site)
	return []mail.Outcome{{Result: mail.Delivered, Reply: mail.Reply{Code: 250, Text: "Ok"}}}
}

func Example() {
	spool := &queuetest.Spool{}
	var d *dispatch.Dispatcher
	q := queue.New(queue.Options{
		Spool:    spool,
		Ready:    func(site string) { d.Ready(site) },
		Unrouted: func(domain string) { d.Unrouted(domain) },
	})
	done := make(chan struct{})
	d = dispatch.New(dispatch.Options{
		Queue: q, Spool: spool, Router: oneSite{}, Carrier: printer{done},
		Limiter: egress.NewLimiter(egress.LimiterOptions{}),
	})
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- d.Run(ctx) }()

	minter, _ := mail.NewMinter([]byte("only an example."), 0, 1)
	ann, _ := mail.ParseReversePath("ann@example.com")
	bob, _ := mail.ParseForwardPath("bob@example.org")
	now := q.Now()
	_, err := q.Append(ctx, queue.Submission{
		Message: queue.Message{
			ID: minter.New(now), Account: "000000000001", From: ann, To: []mail.ForwardPath{bob},
			Accepted: now, Size: 20, HeaderSize: 16,
		},
		Content: queuetest.NewDraft("Subject: hi\r\n\r\nHi\r\n"),
		Due:     now, MaxAge: 4 * 24 * time.Hour,
	})
	if err != nil {
		fmt.Println(err)
	}
	<-done
	stop()
	fmt.Println(<-ended, q.Depth().Recipients)
	// Output:
	// <ann@example.com> to <bob@example.org> at mx.example.org
	// <nil> 0
}
