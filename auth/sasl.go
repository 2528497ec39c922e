package auth

import "github.com/emersion/go-sasl"

// Login is the name of the mechanism LOGIN.
const Login = sasl.Login

// The challenges of LOGIN, as all of its clients know them.
const (
	loginUser     = "Username:"
	loginPassword = "Password:"
)

// loginServer is the server's half of LOGIN, which no RFC describes: the user
// name and the password, each asked for by a challenge. A client may give the
// user name as the initial response.
type loginServer struct {
	authenticate func(username, password string) error
	username     string
	step         int
}

// NewLoginServer makes the server's half of one exchange by LOGIN.
func NewLoginServer(authenticate func(username, password string) error) sasl.Server {
	return &loginServer{authenticate: authenticate}
}

// Next implements sasl.Server.
func (s *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	if s.step == 0 && response == nil {
		s.step = 1
		return []byte(loginUser), false, nil
	}
	switch s.step {
	case 0, 1:
		s.step = 2
		s.username = string(response)
		return []byte(loginPassword), false, nil
	case 2:
		s.step = 3
		return nil, true, s.authenticate(s.username, string(response))
	}
	return nil, false, sasl.ErrUnexpectedClientResponse
}
