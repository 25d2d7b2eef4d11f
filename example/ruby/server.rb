#!/usr/bin/ruby
# Counts the letters of a word: GET /letters/WORD.
require 'json'
require 'sinatra'

set :server, 'webrick'
set :environment, :production
set :port, 8000

get '/letters/:word' do
  content_type :json
  params['word'].chars.tally.to_json
end
