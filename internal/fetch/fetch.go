// Package fetch asks for URLs. It is for what people name on the command line or
// in a Dockerfile; images in registries come through the image library. It links
// net/http, which the small program must not.
package fetch

import (
	"context"
	"errors"
	"net/http"
	"net/url"
)

// Get asks for a URL. The body of the response is the caller's to close. Any status
// but 200 is an error. Errors do not name the URL: the caller does.
func Get(ctx context.Context, from string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	response, err := http.DefaultClient.Do(request)
	if failed := new(url.Error); errors.As(err, &failed) {
		err = failed.Err
	}
	if err == nil && response.StatusCode != http.StatusOK {
		response.Body.Close()
		return nil, errors.New(response.Status)
	}
	return response, err
}
