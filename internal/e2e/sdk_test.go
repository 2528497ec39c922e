//go:build e2e

package e2e_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ses"
	"github.com/aws/aws-sdk-go-v2/service/sesv2"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/smithy-go"

	"github.com/sesame-mta/sesame/internal/mta"
)

// sdkKeys is what an SDK must know to call sesame.
type sdkKeys struct {
	Endpoint string `json:"endpoint"`
	Region   string `json:"region"`
	ID       string `json:"id"`
	Secret   string `json:"secret"`
}

// sdkCall is one call. Binary data in In is {"$blob": text}.
type sdkCall struct {
	Service string          `json:"service"`
	Op      string          `json:"op"`
	In      json.RawMessage `json:"in"`
	Keys    sdkKeys         `json:"keys"`
}

// sdkAnswer is what the SDK makes of the answer.
type sdkAnswer struct {
	Out any
	// Code, Message and Type, of the language, are those of an error.
	Code, Message, Type string
	// Skip is why the SDK cannot make the call: it may be older than an operation.
	Skip string
}

// sdk makes calls with an SDK that nobody here wrote.
type sdk interface {
	call(c sdkCall) (sdkAnswer, error)
}

// sdkProcess makes calls in a process: each is a line there, and each answer one back.
type sdkProcess struct {
	process *mta.Process
	in      *os.File
	out     *bufio.Reader
}

// startSDK starts one of testdata's programs.
func startSDK(t *testing.T, env []string, args ...string) *sdkProcess {
	t.Helper()
	need(t, args[0])
	theirIn, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = "testdata"
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirIn, theirOut, os.Stderr
	p, err := mta.Start(cmd)
	theirIn.Close()
	theirOut.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		out.Close()
		p.Stop(10 * time.Second)
	})
	return &sdkProcess{p, in, bufio.NewReader(out)}
}

func (p *sdkProcess) call(c sdkCall) (a sdkAnswer, err error) {
	line, err := json.Marshal(c)
	if err != nil {
		return a, err
	}
	if _, err := p.in.Write(append(line, '\n')); err != nil {
		return a, err
	}
	if line, err = p.out.ReadBytes('\n'); err != nil {
		return a, err
	}
	return a, json.Unmarshal(line, &a)
}

// sdkGo makes calls with the AWS SDK for Go.
type sdkGo struct {
	ctx  context.Context
	http *http.Client
}

func (g sdkGo) call(c sdkCall) (a sdkAnswer, err error) {
	who := credentials.NewStaticCredentialsProvider(c.Keys.ID, c.Keys.Secret, "")
	var client any
	switch c.Service {
	case "ses":
		client = ses.New(ses.Options{Region: c.Keys.Region, BaseEndpoint: &c.Keys.Endpoint, Credentials: who, Retryer: aws.NopRetryer{}, HTTPClient: g.http})
	case "sns":
		client = sns.New(sns.Options{Region: c.Keys.Region, BaseEndpoint: &c.Keys.Endpoint, Credentials: who, Retryer: aws.NopRetryer{}, HTTPClient: g.http})
	case "sesv2":
		client = sesv2.New(sesv2.Options{Region: c.Keys.Region, BaseEndpoint: &c.Keys.Endpoint, Credentials: who, Retryer: aws.NopRetryer{}, HTTPClient: g.http})
	}
	op := reflect.ValueOf(client).MethodByName(c.Op)
	in := reflect.New(op.Type().In(1).Elem())
	var tree any
	if err := json.Unmarshal(c.In, &tree); err != nil {
		return a, err
	}
	text, err := json.Marshal(blobs(tree))
	if err != nil {
		return a, err
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(in.Interface()); err != nil {
		return a, err
	}
	got := op.Call([]reflect.Value{reflect.ValueOf(g.ctx), in})
	if err, _ := got[1].Interface().(error); err != nil {
		var answered smithy.APIError
		if !errors.As(err, &answered) {
			return a, err
		}
		return sdkAnswer{Code: answered.ErrorCode(), Message: answered.ErrorMessage(), Type: fmt.Sprintf("%T", answered)}, nil
	}
	if text, err = json.Marshal(got[0].Interface()); err != nil {
		return a, err
	}
	return a, json.Unmarshal(text, &a.Out)
}

// blobs gives a call with its binary data as Go writes it in JSON.
func blobs(tree any) any {
	switch v := tree.(type) {
	case []any:
		for i := range v {
			v[i] = blobs(v[i])
		}
	case map[string]any:
		if text, ok := v["$blob"].(string); ok {
			return base64.StdEncoding.EncodeToString([]byte(text))
		}
		for name := range v {
			v[name] = blobs(v[name])
		}
	}
	return tree
}

// sdks are what the tests call with, by name. Each starts in the test that uses it.
var sdks = map[string]func(t *testing.T, ca string) sdk{
	"go": func(t *testing.T, ca string) sdk {
		pem, err := os.ReadFile(ca)
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(pem)
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
		t.Cleanup(transport.CloseIdleConnections)
		return sdkGo{t.Context(), &http.Client{Transport: transport}}
	},
	"node": func(t *testing.T, ca string) sdk {
		need(t, "node")
		modules := filepath.Join(mta.Roots(), "node", "node_modules")
		for _, name := range []string{"@aws-sdk/client-ses", "@aws-sdk/client-sesv2", "@aws-sdk/client-sns", "nodemailer"} {
			if _, err := os.Stat(filepath.Join(modules, name)); err != nil {
				if inCI() {
					t.Fatal(err)
				}
				t.Skipf("%s is not installed; run .ci/counterparts", name)
			}
		}
		return startSDK(t, []string{"NODE_PATH=" + modules, "NODE_EXTRA_CA_CERTS=" + ca}, "node", "--no-warnings", "sdk.cjs")
	},
	"boto3": func(t *testing.T, ca string) sdk { return startPython(t, ca, "boto3") },
	"aws":   func(t *testing.T, ca string) sdk { return startPython(t, ca, "awscli", "aws") },
}

func startPython(t *testing.T, ca, module string, as ...string) sdk {
	t.Helper()
	if out, err := exec.Command("/usr/bin/python3", "-c", "import "+module).CombinedOutput(); err != nil {
		if inCI() {
			t.Fatalf("%s: %v: %s", module, err, out)
		}
		t.Skipf("Debian's %s is not installed; run .ci/counterparts", module)
	}
	return startSDK(t, []string{"AWS_CA_BUNDLE=" + ca}, "/usr/bin/python3", "sdk.py", append(as, module)[0])
}
