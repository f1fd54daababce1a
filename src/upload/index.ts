export { UploadModule } from './upload.module.js';
export { UploadService } from './upload.service.js';
