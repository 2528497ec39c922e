package admin

import (
	"context"
	"errors"
	"net/http"
)

// Rotated tells of a new key.
type Rotated struct {
	Key    string `json:"key"`    // its id
	Sealed int    `json:"sealed"` // secrets that lie under it now
}

func (s *Server) rotateKey(r *http.Request) (any, error) {
	if s.o.RotateKey == nil {
		return nil, errors.New("the key of this server cannot be rotated")
	}
	id, n, err := s.o.RotateKey(r.Context())
	if err != nil {
		return nil, err
	}
	s.o.Log.Info("key rotated", "text", id)
	return Rotated{id, n}, nil
}

// RotateKey puts a new key in the place of that under which secrets lie sealed.
func (c *Client) RotateKey(ctx context.Context) (Rotated, error) {
	return one[Rotated](ctx, c, "POST", "/v1/key/rotate", nil, nil)
}
