package sigv4

// Kind is what is wrong with a signature, for whoever gives it the name that AWS
// has for it.
type Kind int

// The kinds.
const (
	Missing    Kind = iota + 1 // no signature at all
	Incomplete                 // one that cannot be read
	UnknownKey                 // of an access key that cannot sign here
	Mismatch                   // by another secret, over another request, or out of scope
	Expired                    // long ago
)

// Error says why a signature is not good. Its text is for the caller and holds
// nothing that the caller did not send.
type Error struct {
	Kind Kind
	Text string
}

// Error implements error.
func (e *Error) Error() string { return e.Text }

// errKey is what AWS says of a key that is none, and ErrUnknownKey shows it to
// whoever looks keys up.
var errKey = &Error{UnknownKey, "The security token included in the request is invalid."}

// ErrUnknownKey gives the refusal of an access key that cannot sign.
func ErrUnknownKey() *Error { return errKey }

// errMismatch is what AWS says of every signature that is not the right one.
var errMismatch = &Error{Mismatch, "The request signature we calculated does not match the signature you provided. " +
	"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."}
