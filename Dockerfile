# The service, from this repository alone:
#   docker build -t hammingbird .
#   docker run -p 127.0.0.1:8000:8000 -v items:/data \
#     -e HAMMINGBIRD_READ_TOKEN=... -e HAMMINGBIRD_WRITE_TOKEN=... hammingbird --demo
FROM python:3.12-slim AS build
RUN apt-get update \
  && apt-get install -y --no-install-recommends g++ \
  && rm -rf /var/lib/apt/lists/*
COPY . /source
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /source

FROM python:3.12-slim
COPY --from=build /wheels /wheels
RUN pip install --no-cache-dir "$(ls /wheels/*.whl)[service,files]" \
  && rm -r /wheels \
  && useradd --uid 10001 --create-home hammingbird \
  && install -d -o hammingbird /data
USER hammingbird
WORKDIR /data
VOLUME /data
EXPOSE 8000
HEALTHCHECK CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=3)"]
ENTRYPOINT ["hammingbird", "serve", "--host", "0.0.0.0"]
