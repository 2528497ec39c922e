package sesv2

import (
	"strings"

	"github.com/sesame-mta/sesame/account/identity"
	"github.com/sesame-mta/sesame/api"
)

// Words for DKIM keys.
const (
	originEasy     = "AWS_SES"
	originExternal = "EXTERNAL"
	keyLength      = "RSA_2048_BIT"
)

type dkimAttributes struct {
	SigningEnabled             bool
	Status                     identity.State
	Tokens                     []string
	SigningHostedZone          string `json:",omitempty"`
	SigningAttributesOrigin    string
	NextSigningKeyLength       string   `json:",omitempty"`
	CurrentSigningKeyLength    string   `json:",omitempty"`
	LastKeyGenerationTimestamp api.Time `json:",omitzero"`
}

// dkim tells how an identity is signed. The states of the book are the words of
// version 2.
func (s *Server) dkim(i identity.Identity) dkimAttributes {
	p := s.r.Plan(i)
	out := dkimAttributes{SigningEnabled: s.r.Identities.SignsFor(i), Status: p.State, Tokens: p.Tokens,
		SigningAttributesOrigin: originExternal}
	if out.Tokens == nil {
		out.Tokens = []string{}
	}
	if p.Easy {
		out.SigningAttributesOrigin = originEasy
	}
	if p.Easy && len(p.Tokens) > 0 {
		out.SigningHostedZone = "dkim." + s.r.Domain
		out.NextSigningKeyLength, out.CurrentSigningKeyLength = keyLength, keyLength
		out.LastKeyGenerationTimestamp = api.At(p.Made)
	}
	return out
}

// typeOf gives the type of an identity.
func typeOf(i identity.Identity) string {
	if i.IsDomain() {
		return "DOMAIN"
	}
	return "EMAIL_ADDRESS"
}

// isAddress reports whether an identity that need not exist is an address.
func isAddress(name string) bool { return strings.Contains(name, "@") }

// emailIdentityRequest is that of operations that need nothing but the name.
type emailIdentityRequest struct {
	EmailIdentity string `path:"EmailIdentity" json:"-" api:"required"`
}
