package sns

import (
	"errors"

	"github.com/sesame-mta/sesame/account"
	"github.com/sesame-mta/sesame/account/destination"
	"github.com/sesame-mta/sesame/account/topic"
	"github.com/sesame-mta/sesame/api"
	"github.com/sesame-mta/sesame/api/query"
)

// maxBody is the most octets of a call.
const maxBody = 256 << 10

// pageSize is how many things a list has at once (that of SNS).
const pageSize = 100

// Server answers the calls of SNS. It is an api.Interface.
type Server struct {
	*query.Server
	r *api.Rooms
}

// New makes a server.
func New(r *api.Rooms) *Server {
	s := &Server{r: r}
	s.Server = query.New(query.Service{Space: "http://sns.amazonaws.com/doc/2010-03-31/", Version: "2010-03-31", MaxBody: maxBody, Routes: []query.Route{
		query.On("ConfirmSubscription", s.confirmSubscription),
		partial(query.On("CreateTopic", s.createTopic), "the only attribute is SignatureVersion; no FIFO topics, tags or policies"),
		query.On("DeleteTopic", s.deleteTopic),
		query.On("GetSubscriptionAttributes", s.getSubscriptionAttributes),
		partial(query.On("GetTopicAttributes", s.getTopicAttributes), "no policies"),
		query.On("ListSubscriptions", s.listSubscriptions),
		query.On("ListSubscriptionsByTopic", s.listSubscriptionsByTopic),
		query.On("ListTopics", s.listTopics),
		partial(query.On("SetSubscriptionAttributes", s.setSubscriptionAttributes), "the only attribute is RawMessageDelivery"),
		partial(query.On("Subscribe", s.subscribe), "http and https; the only attribute is RawMessageDelivery"),
		query.On("Unsubscribe", s.unsubscribe),
	}})
	return s
}

// partial notes what an operation lacks.
func partial(r query.Route, lacks string) query.Route {
	r.State, r.Note = api.Partial, lacks
	return r
}

// fault makes an error of SNS.
func fault(status int, code, message string) *api.Error {
	return &api.Error{Query: api.Shape{Status: status, Code: code}, Message: message}
}

func invalid(what string) *api.Error {
	return fault(400, "InvalidParameter", "Invalid parameter: "+what)
}

func noTopic() *api.Error { return fault(404, "NotFound", "Topic does not exist") }

func noSubscription() *api.Error { return fault(404, "NotFound", "Subscription does not exist") }

// explain gives what SNS says of what the book of topics says.
func explain(err error) error {
	switch {
	case errors.Is(err, topic.ErrName):
		return invalid("Topic Name")
	case errors.Is(err, topic.ErrSignature):
		return invalid("Attributes Reason: SignatureVersion is 1 or 2")
	case errors.Is(err, topic.ErrTooMany):
		return fault(403, "TopicLimitExceeded", "Topic limit exceeded")
	case errors.Is(err, topic.ErrEndpoint):
		return invalid("Endpoint must match the specified protocol")
	case errors.Is(err, topic.ErrToken):
		return invalid("Token")
	case errors.Is(err, destination.ErrCount):
		return fault(403, "SubscriptionLimitExceeded", "Subscription limit exceeded")
	case errors.Is(err, destination.ErrBad):
		return invalid("Endpoint").WithCause(err)
	case errors.Is(err, account.ErrNotFound):
		return noTopic()
	}
	return err
}

// none is the result of an operation that gives nothing back.
type none struct{}
