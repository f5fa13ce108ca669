# molweight on a CPU:
#   docker build -t molweight .
#   docker run --rm --user "$(id -u)" -v "$PWD:/data" molweight fit my.csv
# The service example, for the run in runs/my:
#   docker run --rm -p 8000:8000 -v "$PWD:/data:ro" -e MOLWEIGHT_RUN=runs/my --entrypoint uvicorn molweight \
#     --app-dir /srv/molweight --factory service:create_app --host 0.0.0.0 --port 8000
FROM python:3.12-slim

# RDKit's drawing code needs these two libraries; LightGBM needs OpenMP.
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 libxext6 libxrender1 \
    && rm -rf /var/lib/apt/lists/*

WORKDIR /src
COPY . .

# torch from the index of CPU builds: the default build brings gigabytes of CUDA libraries.
RUN pip install --no-cache-dir --constraint constraints.txt --no-deps \
      --index-url https://download.pytorch.org/whl/cpu torch \
    && pip install --no-cache-dir --constraint constraints.txt '.[excel,minimol,service]' \
    && mkdir /srv/molweight && cp examples/service.py /srv/molweight/ \
    && rm -rf /src/*

# The cache of featurised molecules is outside the home folder, so that any --user can write it.
RUN useradd --create-home molweight && mkdir -m 1777 /cache
ENV MOLWEIGHT_CACHE=/cache
USER molweight
WORKDIR /data
ENTRYPOINT ["molweight"]
CMD ["--help"]
